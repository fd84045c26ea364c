# An overlay of nixpkgs: the package `orchestrator`.
final: _: { orchestrator = final.callPackage ./package.nix { }; }
