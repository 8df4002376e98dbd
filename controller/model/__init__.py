"""Intent: schema, YAML with line numbers, validation."""
