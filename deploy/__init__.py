"""How Parley is deployed and watched: manifests, images, rules and dashboards, and what writes them."""
