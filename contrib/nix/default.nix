# All that the flake has, without flakes:
#
#   (import ./contrib/nix { }).lib.buildContainer { args = [ "${pkgs.hello}/bin/hello" ]; }
{ pkgs ? import <nixpkgs> { } }:
{
  lib = import ./lib/of-pkgs.nix pkgs;
  package = pkgs.callPackage ./package.nix { };
  overlay = import ./overlay.nix;
  nixosModule = ./module.nix;
}
