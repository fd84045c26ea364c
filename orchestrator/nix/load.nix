# What a NAME.nix says: the set that it is, or that it yields when it is a function. What it asks for by its arguments
# it is given, and only then looked for.
{ file, name, system }:
let
  inherit (builtins)
    attrNames concatStringsSep filter functionArgs head intersectAttrs isFunction isString unsafeGetAttrPos;

  offered = rec {
    inherit name system;
    pkgs =
      if nixpkgs.success then import nixpkgs.value { inherit system; }
      else throw "argument pkgs: there is no nixpkgs in NIX_PATH, as the agent has it, nor among the root's channels";
    lib = pkgs.lib;
  };

  nixpkgs = builtins.tryEval <nixpkgs>;

  # A path is not copied to the store, a string neither: what the file imports is found beside it.
  value = import (if isString file then /. + file else file);

  asked = functionArgs value;
  unknown = filter (argument: !asked.${argument} && !(offered ? ${argument})) (attrNames asked);
in
if !(isFunction value) then value
else if unknown != [ ] then
  throw (
    "unknown argument ${concatStringsSep ", " unknown}: "
    + "the file may ask for pkgs, lib, name and system, and give others a default"
    + import ./at.nix (unsafeGetAttrPos (head unknown) asked)
  )
else value (intersectAttrs asked offered)
