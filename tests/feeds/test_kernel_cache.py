import os
import shutil
import subprocess
import sys
from pathlib import Path

from feeds.kernel_cache import KERNELS, VARIABLE, sources_digest

PROJECT = Path(__file__).resolve().parents[2]


def copy_of_the_kernels(folder):
    for name in KERNELS:
        source, target = PROJECT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    return folder


def test_every_compiled_function_lies_where_the_digest_looks():
    rooms = ("feeds", "sim", "models", "assets", "live")
    compiled = [p for room in rooms for p in (PROJECT / room).rglob("*.py") if "@njit" in p.read_text()]
    watched = [PROJECT / name for name in KERNELS]
    assert compiled and all(path in watched or path.parent in watched for path in compiled)


def test_a_change_in_a_called_file_changes_the_folder(tmp_path):
    copy = copy_of_the_kernels(tmp_path)
    before = sources_digest(copy)
    assert before == sources_digest(PROJECT)
    with (copy / "sim" / "order_index.py").open("a") as source:
        source.write("\n# changed\n")
    assert sources_digest(copy) != before


def kernels_folder(**changes):
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE} | changes
    program = "import sim.book_levels, numba; print(numba.config.CACHE_DIR)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, env=environment, check=True
    )
    return Path(done.stdout.strip())


def test_numba_uses_the_folder_before_the_first_kernel_is_made():
    assert kernels_folder() == PROJECT / ".numba_cache" / sources_digest()


def test_a_folder_chosen_by_the_user_is_kept(tmp_path):
    assert kernels_folder(**{VARIABLE: str(tmp_path)}) == tmp_path
