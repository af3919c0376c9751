"""The canary as people steer it: what it is set to, how it is changed, and whether it may go on."""
