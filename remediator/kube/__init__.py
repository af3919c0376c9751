"""The one folder that talks to an API server. JSON in, core values out."""
