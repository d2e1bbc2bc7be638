"""Files from public archives, whole or not at all.

Here: fetching over HTTP, one archive a module. Not here: what the files hold (feeds/adapters).
"""
