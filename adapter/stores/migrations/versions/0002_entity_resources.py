"""Which FHIR resources a HIMS entity was ever made into."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "entity_resource",
        sa.Column("entity", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("entity", "resource"),
    )


def downgrade() -> None:
    op.drop_table("entity_resource")
