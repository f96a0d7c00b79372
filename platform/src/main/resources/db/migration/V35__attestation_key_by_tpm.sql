-- SPDX-FileCopyrightText: The Tegata authors
-- SPDX-License-Identifier: Apache-2.0

-- The keys of a TPM: it is in one device.
CREATE INDEX attestation_key_by_endorsement ON attestation_key (tenant_id, endorsement_key);
