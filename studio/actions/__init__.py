"""One function per thing a person can do; the browser, the command line and the tests call these."""
