"""SQL of the embedded image service.

records   one image: show, create, change, delete, tags
listing   pages of images: who sees what, filters, order, markers
uploads   bytes on their way: begin, renew, finish, give up
members   projects that an image is shared with
"""

from novalite.db.images import listing, members, records, uploads

__all__ = ["listing", "members", "records", "uploads"]
