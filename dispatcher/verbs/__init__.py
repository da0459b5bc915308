"""The verbs of the command line, a module a group; dispatcher/cli.py loads a module when its verb is used."""
