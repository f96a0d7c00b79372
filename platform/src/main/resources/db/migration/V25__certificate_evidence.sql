-- SPDX-FileCopyrightText: The Tegata authors
-- SPDX-License-Identifier: Apache-2.0

-- The appraisal that a certificate was given on, where its fleet asks for evidence.
CREATE TABLE certificate_evidence (
    tenant_id     text COLLATE "C" NOT NULL,
    serial_number bytea NOT NULL,
    appraisal_id  uuid NOT NULL,
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, serial_number)
);
CALL build_tenant_wall('certificate_evidence');
