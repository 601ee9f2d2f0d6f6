//! What runs in the machine: the initial file system and what it prints.
