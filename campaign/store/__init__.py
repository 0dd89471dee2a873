"""The only home of SQLAlchemy: schema, transactions and named queries by noun."""
