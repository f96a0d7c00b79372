-- SPDX-FileCopyrightText: The Tegata authors
-- SPDX-License-Identifier: Apache-2.0

-- Until when one request, on whatever node, carries the order out; nobody else does so meanwhile. Null where nobody does.
-- A time in the past: whoever had it was lost with its process.
ALTER TABLE acme_order ADD COLUMN taken_until timestamptz;
