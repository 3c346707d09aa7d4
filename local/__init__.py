"""Stand-ins that let the whole system run on one machine: a Momento server, an AWS stack."""
