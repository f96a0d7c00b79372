-- Releases with an image for each slot, and whom a release from a SUIT manifest rests on.
ALTER TABLE release
    ADD COLUMN variants jsonb,             -- [[0, 1], [0, 2]]: which of the components make one; null: all together
    ADD COLUMN signers bytea[];            -- SHA-256 of the allowed keys by which its manifest is signed. Empty where none
                                           -- of them is allowed any more: it says nothing. Null: it came otherwise
