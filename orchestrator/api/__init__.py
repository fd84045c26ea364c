"""HTTP with JSON on the control socket: the server that the agent runs, and the client of the command line."""
