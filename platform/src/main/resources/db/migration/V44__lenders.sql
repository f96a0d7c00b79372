-- Who lends devices to a tenant, without a look at each grant: asked where a certificate is nobody's of the tenant's own.
CREATE INDEX held_grant_by_owner ON held_grant (tenant_id, owner_id, ends_at);
