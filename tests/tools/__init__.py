"""What the tests share: C programs to drive, and words for Python; see tests/README.md."""
