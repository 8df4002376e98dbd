"""Who may do what: certificates, credentials, roles, and the record of what was done."""
