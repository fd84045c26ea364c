# What the Nix side offers, without flakes and without nixpkgs: all that it builds with is handed in.
tools:
{
  # { args, mounts, os, arch, readonly, … } -> a derivation: an OCI bundle
  buildContainer = import ./build-container.nix tools;

  # The same -> the set that a NAME.json of the agent says
  toDefinition = import ../../../orchestrator/nix/definition.nix;
}
