"""A local S3 server for tests: no credentials, no network."""

from contextlib import contextmanager
from logging import getLogger

BUCKET = "t2t-lake"


@contextmanager
def s3_server(monkeypatch):
    """Run the server, point the environment at it, make `BUCKET`; yields its URL."""
    import fsspec
    from moto.server import ThreadedMotoServer

    getLogger("werkzeug").disabled = True
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").clear_instance_cache()
        fsspec.filesystem("s3", use_listings_cache=False).mkdir(BUCKET)
        yield f"http://{host}:{port}"
    finally:
        server.stop()
        fsspec.filesystem("s3").clear_instance_cache()
