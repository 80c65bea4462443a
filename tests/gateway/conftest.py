"""The fixture on a user without files, enough for a gateway whose messages nobody takes."""
import pytest


@pytest.fixture
def user(fw):
    return fw.make_user(files=0)
