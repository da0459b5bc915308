-- Ids that a carrier told in a receipt alone: the answer that would have named them was never read, the receipt found its
-- message by the number among those in doubt. A second receipt of that id, a repeat or a contradiction, is that message's
-- too, though it is in doubt no more. As many rows as messages that were settled so: few.
CREATE TABLE receipt_id (
    wave         bigint NOT NULL REFERENCES wave,
    provider_ref text NOT NULL CHECK (provider_ref <> ''),
    send_window  bigint NOT NULL,
    idx          integer NOT NULL,
    PRIMARY KEY (wave, provider_ref, send_window, idx)
);
GRANT SELECT, INSERT ON receipt_id TO {app};
