"""The database: connections, transactions, schema, migrations, and the record of periodic jobs."""
