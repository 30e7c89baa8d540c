GRANT SELECT ON audit_heads TO "tallywire_app";
