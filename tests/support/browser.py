"""A real browser without a window: what there is to read on a page in the end."""

import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def text_of_page(url, directory, *options):
    """Open an address, follow where it leads, and return the text of the page.

    Args:
        directory: for what the browser keeps, which is nothing of an earlier visit if it is a new one.
        options: further ones of Chromium.
    """
    arguments = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--ignore-certificate-errors",  # the CA of the test is no one's but the test's
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
        f"--user-data-dir={directory}",
        "--virtual-time-budget=5000",
        *options,
        "--dump-dom",
        url,
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    body = re.sub(r"<(style|svg|script)\b.*?</\1>", "", done.stdout, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))
