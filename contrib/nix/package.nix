# The program, from this repository. nixpkgs has all that it needs; of tree-sitter's grammars it has that of TOML among the
# bindings that it makes of its own grammars, whose versions are not those that pyproject.toml knows.
{ lib, python3Packages }:
let
  project = (builtins.fromTOML (builtins.readFile ../../pyproject.toml)).project;
  needed = [ "LICENSE" "README.md" "orchestrator" "plugins" "pyproject.toml" ];
  root = toString ../..;
in
python3Packages.buildPythonApplication {
  pname = project.name;
  inherit (project) version;
  pyproject = true;

  src = builtins.path {
    name = "orchestrator-source";
    path = ../..;
    filter = path: _: baseNameOf path != "__pycache__"
      && (dirOf path != root || builtins.elem (baseNameOf path) needed);
  };

  build-system = [ python3Packages.hatchling ];

  dependencies = with python3Packages; [
    attrs
    cattrs
    click
    h11
    httpcore
    hypercorn
    pyinotify
    rich
    sdnotify
    starlette
    tree-sitter
    tree-sitter-grammars.tree-sitter-toml
    tree-sitter-json
    trio
  ] ++ lib.optional (pythonAtLeast "3.12") pyasyncore;
  pythonRelaxDeps = [ "tree-sitter-json" "tree-sitter-toml" ];

  # The tests want root, runtimes and this repository: contrib/test.
  doCheck = false;
  pythonImportsCheck = [ "orchestrator.cli" "orchestrator.agent" ];

  meta = {
    inherit (project) description;
    license = lib.licenses.mit;
    mainProgram = "orchestrator";
    platforms = lib.platforms.linux;
  };
}
