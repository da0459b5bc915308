"""What this installation decides: settings, carriers, hotlines, units, servers."""
