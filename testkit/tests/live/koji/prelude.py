# What every script of these tests begins with.
import json
import sys

import koji

URL, USER, PASSWORD, *ARGUMENTS = sys.argv[1:]

# The official client waits 20 s before it tries again, and tries 30 times.
PATIENCE = {"max_retries": 4, "retry_interval": 0, "offline_retry_interval": 0}


def session(login=True, **options):
    made = koji.ClientSession(URL, {"user": USER, "password": PASSWORD, **PATIENCE, **options})
    if login:
        made.login()
    return made


def answer(value):
    print("answer: " + json.dumps(value, default=str), flush=True)


def failure(call, *arguments, **options):
    """The class and the text of what a call raises; None if it ends well."""
    try:
        call(*arguments, **options)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None
