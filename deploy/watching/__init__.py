"""How Parley is watched, as code: objectives, rules, alerts, dashboards. `make manifests` writes what is deployed."""
