"""What has nothing to do with Genesys Cloud: secrets, clocks, threads, forks, HTTP."""
