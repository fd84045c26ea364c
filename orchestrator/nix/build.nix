# A NAME.nix as a derivation whose output is the file NAME.json that says the same, on one line. To build it builds all
# that the definition names, and its closure is what the container needs.
#
#   nix-build --no-out-link build.nix --argstr name web --argstr file /etc/orchestrator/web.nix
#
# Nothing of nixpkgs is needed, unless the file asks for it.
{ file, name, system ? builtins.currentSystem }:
derivation {
  inherit system;
  name = "${name}.json";

  # By a file, since a variable cannot hold more than 128 KiB.
  json = builtins.toJSON (import ./definition.nix (import ./load.nix { inherit file name system; }));
  passAsFile = [ "json" ];

  # The shell alone: a sandbox has no other program. JSON has no line breaks of its own, so there is one line to read,
  # and that it is not ended is no failure.
  builder = "/bin/sh";
  args = [ "-c" ''IFS= read -r line < "$jsonPath"; printf '%s\n' "$line" > "$out"'' ];

  preferLocalBuild = true;
  allowSubstitutes = false;
}
