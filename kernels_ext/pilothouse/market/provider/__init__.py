"""The provider: offers, trains, is paid."""
