"""Money: a wallet's protocol, the double-entry ledger, and test money. Amounts are integers in msat."""
