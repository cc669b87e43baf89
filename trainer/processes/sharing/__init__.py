"""How runs share the machine: whose starts, whose makes room, how much memory they hold, and how nice they are."""
