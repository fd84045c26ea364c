# The NixOS module, with the fields of the program as it comes. For those of further plugins import ./module with what
# `orchestrator schema` prints where they are installed.
import ./module { schema = builtins.fromJSON (builtins.readFile ./schema.json); }
