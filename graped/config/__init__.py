"""Configuration: TOML files in, one validated :class:`~graped.config.types.Config` out."""
