"""What an operator applies: rendered manifests, images, rules and dashboards."""
