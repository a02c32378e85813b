-- Bids of people who sell themselves, with who they are and what they sell.
CREATE STREAM q23 AS
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.dateTime AS bid_time, b.extra AS bid_extra,
       p.name, p.emailAddress, p.creditCard, p.city, p.state, p.dateTime AS person_time, p.extra AS person_extra,
       a.id AS auction_id, a.itemName, a.description, a.initialBid, a.reserve, a.expires, a.category
FROM bid b
JOIN person p ON p.id = b.bidder
JOIN auction a ON a.seller = b.bidder;
