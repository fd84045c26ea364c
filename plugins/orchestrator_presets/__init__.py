"""Built-in presets: plugins that turn a few options into a definition."""
