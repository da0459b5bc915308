-- Carriers' engineers see only what is their company's (docs/console.md): the accounts they are tied to. By contract and
-- not by protocol: two carriers may both speak SMPP.
CREATE TABLE person_account (
    person  text NOT NULL REFERENCES person,
    account text NOT NULL REFERENCES account,
    PRIMARY KEY (person, account)
);
GRANT SELECT, INSERT, DELETE ON person_account TO {app};

-- The newest receipts of an account. A row is what one sync of the spool made durable, so this is no entry a receipt.
CREATE INDEX inbox_newest ON inbox (account, received_at);
