"""Where tokens outlive a process: stores, and what several processes share through one."""
