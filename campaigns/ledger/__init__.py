"""The record of everything sent: tables, intents, fold, counts. The only SQL of the house."""
