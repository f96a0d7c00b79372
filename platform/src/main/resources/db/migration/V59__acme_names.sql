-- SPDX-FileCopyrightText: The Tegata authors
-- SPDX-License-Identifier: Apache-2.0

-- Host names that the device may have, of those that its fleet allows: patterns as in acme_policy; none for all of them. Where
-- http-01 is fetched from an address that an operator has given, nothing else says whose names they are.
ALTER TABLE acme_key ADD COLUMN names text[] NOT NULL DEFAULT '{}';
ALTER TABLE acme_account ADD COLUMN names text[] NOT NULL DEFAULT '{}';
