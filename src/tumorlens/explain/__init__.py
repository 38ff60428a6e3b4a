"""Where the evidence lies: heatmaps, overlays and measurements."""
