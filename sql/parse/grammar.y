/* The grammar. lemon makes grammar.c and grammar.h of this in the build folder.
 *
 * It holds only what we do; what the dialect knows besides is refused by the table refuse.def, which is asked when a
 * word does not fit. parse.c runs the tables once without actions (grammar_step) to find a syntax error with the whole
 * stack at hand, so the actions below run on correct statements only; they may still refuse one by parse_refuse.
 * To add a statement: a rule under `statement`, its struct in ast.h, its text in print.c, words in keyword.def. */
%name grammar_
%token_prefix TK_
%token_type {struct token}
%extra_argument {struct parser *p}
%stack_size 513

%include {
#include "sql/parse/parser.h"
#include <stdlib.h>
}

%fallback ID ADVANCE ALL ANALYZE ANY ARRAY ASC BEGINNING BOTH CHANGES CUMULATE CURRENT DEFINE DELETE DESC DESCRIBE
  DISCARD EMIT ERRORS ESCAPE EVERY EXCLUDE EXISTS EXPLAIN EXTENDED FILTER FINAL FIRST FOLLOWING FOR FUNCTION
  FUNCTIONS GRACE GROUPING GROUPS HEADER HEADERS HOPPING IF INTERVAL JOBS KEY LANGUAGE LAST LEADING LIST NO NULLS OF
  OFFSET ORDINALITY OTHERS PARTITION PAUSE PERIOD PRECEDING PRIMARY PRINT PROMOTE PROPERTIES QUALIFY QUERIES RANGE
  REPLACE RESTORE RESUME RETENTION RETURNS ROW ROWS SAVEPOINT SAVEPOINTS SESSION SET SETS SHOW SIZE SOME STEP STREAM
  STREAMS STRUCT SYSTEM_TIME TABLE TABLES TERMINATE TIES TIME TO TOPIC TOPICS TRAILING TUMBLING TYPE TYPES UNBOUNDED
  UNDEFINE UNSET VARIABLES VIEW VIEWS WATERMARK WINDOW ZONE.

%nonassoc NO_WINDOW. /* WINDOW behind FROM is taken there, not behind HAVING */
%nonassoc WINDOW.
%right LAMBDA ASSIGN.
%left OR.
%left AND.
%right NOT.
%left CONCAT.
%left PLUS MINUS.
%left STAR SLASH PERCENT.
%right SIGN.
%left LB ARROW DCOLON.

%start_symbol input
input ::= statement(A). { p->result = A; }
input ::= statement(A) SEMI. { p->result = A; }

%type statement {struct ast_statement *}
%type explainable {struct ast_statement *}
statement(A) ::= explainable(B). { A = B; }

/* ---- CREATE */
%type or_replace {bool}
or_replace(A) ::= . { A = false; }
or_replace(A) ::= OR REPLACE. { A = true; }
%type kind {bool}
kind(A) ::= STREAM. { A = false; }
kind(A) ::= TABLE. { A = true; }
%type if_not_exists {bool}
if_not_exists(A) ::= . { A = false; }
if_not_exists(A) ::= IF NOT EXISTS. { A = true; }

statement(A) ::= CREATE or_replace(R) kind(K) if_not_exists(I) name(N) LP columns(C) watermark(T) RP with(W). {
    A = parse_node(p, AST_CREATE);
    A->or_replace = R, A->table = K, A->if_clause = I, A->name = N, A->columns = C, A->with = W, A->watermark = T;
}
explainable(A) ::= CREATE or_replace(R) kind(K) if_not_exists(I) name(N) with(W) AS query(S). {
    A = parse_node(p, AST_CREATE_AS);
    A->or_replace = R, A->table = K, A->if_clause = I, A->name = N, A->with = W, A->select = S;
}
statement(A) ::= CREATE or_replace(R) FUNCTION if_not_exists(I) name(N) LP types(T) RP RETURNS type(O) LANGUAGE name(L)
                 AS STRING(B) COMMA STRING(S). {
    A = parse_node(p, AST_CREATE_FUNCTION);
    A->or_replace = R, A->if_clause = I, A->name = N, A->types = T, A->result = O, A->language = L;
    A->text = parse_string(p, &B), A->value = parse_string(p, &S), A->text_place = B.place;
}

statement(A) ::= CREATE or_replace(R) VIEW if_not_exists(I) name(N) AS query(S). {
    A = parse_node(p, AST_CREATE_VIEW);
    A->or_replace = R, A->if_clause = I, A->name = N, A->select = S;
}

%type columns {struct ast_columns}
columns(A) ::= column(B). { A = (struct ast_columns){0}; AST_APPEND(p, A, B); }
columns(A) ::= columns(A) COMMA column(B). { AST_APPEND(p, A, B); }
%type watermark {struct ast_watermark}
watermark(A) ::= . { A = (struct ast_watermark){0}; }
watermark(A) ::= COMMA WATERMARK(W) FOR name(N) AS name(T) delay(D). { A = parse_watermark(p, W.place, N, T, D); }
%type delay {struct ast_duration}
delay(A) ::= . { A = (struct ast_duration){0}; }
delay(A) ::= MINUS span(B). { A = B; }
%type column {struct ast_column}
column(A) ::= name(N) type(T). { A = (struct ast_column){.name = N, .type = T}; }
column(A) ::= name(N) type(T) KEY(K). {
    A = (struct ast_column){.name = N, .type = T, .key = true, .key_place = K.place};
}
column(A) ::= name(N) type(T) PRIMARY(P) KEY(K). {
    A = (struct ast_column){.name = N, .type = T, .primary = true, .key_place = place_join(P.place, K.place)};
}

%type type {struct ast_type}
%type short_type {struct ast_type} /* all that may follow :: */
type(A) ::= short_type(A).
short_type(A) ::= name(N). { A = (struct ast_type){.name = N.text, .quoted = N.quoted, .place = N.place}; }
short_type(A) ::= name(N) LP INTEGER(I) RP(E). {
    A = (struct ast_type){.name = N.text, .nparams = 1, .place = place_join(N.place, E.place)};
    A.params[0] = parse_small(p, &I);
}
short_type(A) ::= name(N) LP INTEGER(I) COMMA INTEGER(J) RP(E). {
    A = (struct ast_type){.name = N.text, .nparams = 2, .place = place_join(N.place, E.place)};
    A.params[0] = parse_small(p, &I);
    A.params[1] = parse_small(p, &J);
}
type(A) ::= name(N) LT types1(L) GT(E). { A = parse_parts(p, N.text, L, place_join(N.place, E.place)); }
type(A) ::= type(T) ARRAY(E). {
    struct ast_types one = {0};
    AST_APPEND(p, one, T);
    A = parse_parts(p, STR("ARRAY"), one, place_join(T.place, E.place));
}
type(A) ::= STRUCT(N) LT fields(L) GT(E). {
    A = (struct ast_type){.name = STR("STRUCT"), .parts = L, .place = place_join(N.place, E.place)};
}
type(A) ::= INTERVAL(N). { A = (struct ast_type){.name = STR("INTERVAL"), .place = N.place}; }
type(A) ::= INTERVAL(N) name(F) TO name(L). { A = parse_interval_type(p, &N, &F, &L); }
%type fields {struct ast_columns}
fields(A) ::= field(B). { A = (struct ast_columns){0}; AST_APPEND(p, A, B); }
fields(A) ::= fields(A) COMMA field(B). { AST_APPEND(p, A, B); }
%type field {struct ast_column}
field(A) ::= name(N) type(T). { A = (struct ast_column){.name = N, .type = T}; }
%type types {struct ast_types}
types(A) ::= . { A = (struct ast_types){0}; }
types(A) ::= types1(A).
%type types1 {struct ast_types}
types1(A) ::= type(B). { A = (struct ast_types){0}; AST_APPEND(p, A, B); }
types1(A) ::= types1(A) COMMA type(B). { AST_APPEND(p, A, B); }

%type with {struct ast_properties}
with(A) ::= . { A = (struct ast_properties){0}; }
with(A) ::= WITH LP properties(B) RP. { A = B; }
%type properties {struct ast_properties}
properties(A) ::= property(B). { A = (struct ast_properties){0}; AST_APPEND(p, A, B); }
properties(A) ::= properties(A) COMMA property(B). { AST_APPEND(p, A, B); }
%type property {struct ast_property}
property(A) ::= name(N) EQ value(V). { A = (struct ast_property){N, V}; }

/* ---- DROP, INSERT */
%type if_exists {bool}
if_exists(A) ::= . { A = false; }
if_exists(A) ::= IF EXISTS. { A = true; }
%type delete_topic {bool}
delete_topic(A) ::= . { A = false; }
delete_topic(A) ::= DELETE TOPIC. { A = true; }
statement(A) ::= DROP kind(K) if_exists(I) name(N) delete_topic(D). {
    A = parse_node(p, AST_DROP);
    A->table = K, A->if_clause = I, A->name = N, A->delete_topic = D;
}
statement(A) ::= CREATE TYPE if_not_exists(I) name(N) AS type(T). {
    A = parse_node(p, AST_CREATE_TYPE);
    A->if_clause = I, A->name = N, A->result = T;
}
statement(A) ::= DROP TYPE if_exists(I) name(N). {
    A = parse_node(p, AST_DROP_TYPE);
    A->if_clause = I, A->name = N;
}
statement(A) ::= DROP FUNCTION if_exists(I) name(N). {
    A = parse_node(p, AST_DROP_FUNCTION);
    A->if_clause = I, A->name = N;
}
statement(A) ::= DROP VIEW if_exists(I) name(N). {
    A = parse_node(p, AST_DROP_VIEW);
    A->if_clause = I, A->name = N;
}
statement(A) ::= INSERT INTO relation(N) VALUES rows(R). {
    A = parse_node(p, AST_INSERT);
    A->name = N, A->rows = R;
}
statement(A) ::= INSERT INTO relation(N) LP names(C) RP VALUES rows(R). {
    A = parse_node(p, AST_INSERT);
    A->name = N, A->names = C, A->rows = R;
}
%type names {struct ast_names}
names(A) ::= name(B). { A = (struct ast_names){0}; AST_APPEND(p, A, B); }
names(A) ::= names(A) COMMA name(B). { AST_APPEND(p, A, B); }
%type rows {struct ast_rows}
rows(A) ::= LP exprs(B) RP. { A = (struct ast_rows){0}; AST_APPEND(p, A, B); }
rows(A) ::= rows(A) COMMA LP exprs(B) RP. { AST_APPEND(p, A, B); }

/* ---- Jobs */
statement(A) ::= TERMINATE name(N). { A = parse_node(p, AST_TERMINATE); A->name = N; }
statement(A) ::= TERMINATE ALL. { A = parse_node(p, AST_TERMINATE); A->all = true; }
statement(A) ::= PAUSE name(N). { A = parse_node(p, AST_PAUSE); A->name = N; }
statement(A) ::= PAUSE ALL. { A = parse_node(p, AST_PAUSE); A->all = true; }
statement(A) ::= RESUME name(N) with(W). { A = parse_node(p, AST_RESUME); A->name = N, A->with = W; }
statement(A) ::= RESUME ALL. { A = parse_node(p, AST_RESUME); A->all = true; }

statement(A) ::= PROMOTE name(N). { A = parse_node(p, AST_PROMOTE); A->name = N; }
statement(A) ::= DISCARD name(N). { A = parse_node(p, AST_DISCARD); A->name = N; }

statement(A) ::= SAVEPOINT name(N) AS name(S). {
    A = parse_node(p, AST_SAVEPOINT);
    A->name = N, A->language = S;
}
statement(A) ::= RESTORE name(N) FROM name(S). {
    A = parse_node(p, AST_RESTORE);
    A->name = N, A->language = S;
}
statement(A) ::= DROP SAVEPOINT if_exists(I) name(N). {
    A = parse_node(p, AST_DROP_SAVEPOINT);
    A->if_clause = I, A->name = N;
}

/* ---- Looking */
show ::= SHOW.
show ::= LIST.
%type shown {struct token}
shown(A) ::= STREAMS(A).
shown(A) ::= TABLES(A).
shown(A) ::= TOPICS(A).
shown(A) ::= QUERIES(A).
shown(A) ::= JOBS(A).
shown(A) ::= SAVEPOINTS(A).
shown(A) ::= FUNCTIONS(A).
shown(A) ::= PROPERTIES(A).
shown(A) ::= TYPES(A).
shown(A) ::= VIEWS(A).
shown(A) ::= VARIABLES(A).
statement(A) ::= show shown(W). { A = parse_node(p, AST_SHOW); A->text = place_text(p->text, W.place); }
statement(A) ::= show ERRORS limit(L). { A = parse_node(p, AST_SHOW_ERRORS); A->limit = L; }
statement(A) ::= show ERRORS name(N) limit(L). { A = parse_node(p, AST_SHOW_ERRORS); A->name = N, A->limit = L; }
statement(A) ::= show shown(W) FROM name(N). {
    A = parse_node(p, AST_SHOW);
    A->text = place_text(p->text, W.place), A->name = N;
}
statement(A) ::= DESCRIBE relation(N). { A = parse_node(p, AST_DESCRIBE); A->name = N; }
statement(A) ::= DESCRIBE relation(N) EXTENDED. { A = parse_node(p, AST_DESCRIBE); A->name = N, A->extended = true; }
statement(A) ::= DESCRIBE FUNCTION name(N). { A = parse_node(p, AST_DESCRIBE_FUNCTION); A->name = N; }
statement(A) ::= EXPLAIN explainable(S). { A = parse_node(p, AST_EXPLAIN); A->inner = S; }
statement(A) ::= EXPLAIN name(N). { A = parse_node(p, AST_EXPLAIN); A->name = N; }
statement(A) ::= EXPLAIN ANALYZE explainable(S). { A = parse_node(p, AST_EXPLAIN); A->inner = S; A->analyze = true; }
statement(A) ::= EXPLAIN ANALYZE name(N). { A = parse_node(p, AST_EXPLAIN); A->name = N; A->analyze = true; }
statement(A) ::= PRINT topic(N) from_beginning(B) limit(L). {
    A = parse_node(p, AST_PRINT);
    A->name = N, A->from_beginning = B, A->limit = L;
}
%type topic {struct ast_name}
topic(A) ::= name(A).
topic(A) ::= STRING(S). { A = (struct ast_name){.text = parse_string(p, &S), .quoted = true, .place = S.place}; }
%type from_beginning {bool}
from_beginning(A) ::= . { A = false; }
from_beginning(A) ::= FROM BEGINNING. { A = true; }

/* ---- Settings */
statement(A) ::= SET STRING(N) EQ STRING(V). {
    A = parse_node(p, AST_SET);
    A->text = parse_string(p, &N), A->value = parse_string(p, &V), A->text_place = N.place;
}
statement(A) ::= UNSET STRING(N). {
    A = parse_node(p, AST_UNSET);
    A->text = parse_string(p, &N), A->text_place = N.place;
}
statement(A) ::= DEFINE name(N) EQ STRING(V). {
    A = parse_node(p, AST_DEFINE);
    A->name = N, A->value = parse_string(p, &V);
}
statement(A) ::= UNDEFINE name(N). { A = parse_node(p, AST_UNDEFINE); A->name = N; }

/* ---- Queries: SELECTs and VALUES, put together by UNION, EXCEPT and, before those, INTERSECT. One in parentheses
 * (`enclosed`) is a query only beside such a word: alone it is a value, or stands in FROM. */
explainable(A) ::= query(S). { A = parse_node(p, AST_SELECT); A->select = S; }
%type query {struct ast_select *}
query(A) ::= body(B) order_by(O) emit(E) limit(L) offset(T). { A = parse_query(p, (struct ast_ctes){0}, B, O, E, L, T); }
query(A) ::= WITH ctes(C) body(B) order_by(O) emit(E) limit(L) offset(T). { A = parse_query(p, C, B, O, E, L, T); }
%type ctes {struct ast_ctes}
ctes(A) ::= cte(B). { A = (struct ast_ctes){0}; AST_APPEND(p, A, B); }
ctes(A) ::= ctes(A) COMMA cte(B). { AST_APPEND(p, A, B); }
%type cte {struct ast_cte}
cte(A) ::= name(N) AS LP query(Q) RP. { A = (struct ast_cte){.name = N, .query = Q}; }
cte(A) ::= name(N) LP names(C) RP AS LP query(Q) RP. { A = (struct ast_cte){.name = N, .columns = C, .query = Q}; }

%type body {struct ast_select *}
body(A) ::= product(A).
body(A) ::= body(B) sum(O) all(X) factor(C). { A = parse_set(p, B, O.kind, X, C, O.place); }
body(A) ::= enclosed(B) sum(O) all(X) factor(C). { A = parse_set(p, B, O.kind, X, C, O.place); }
%type factor {struct ast_select *}
factor(A) ::= product(A).
factor(A) ::= enclosed(A).
%type product {struct ast_select *}
product(A) ::= core(A).
product(A) ::= factor(B) INTERSECT(O) all(X) term(C). { A = parse_set(p, B, AST_QUERY_INTERSECT, X, C, O.place); }
%type term {struct ast_select *}
term(A) ::= core(A).
term(A) ::= enclosed(A).
%type enclosed {struct ast_select *}
enclosed(A) ::= LP query(B) RP. { A = B; A->enclosed = true; }
%type sum {struct parse_sum}
sum(A) ::= UNION(O). { A = (struct parse_sum){AST_QUERY_UNION, O.place}; }
sum(A) ::= EXCEPT(O). { A = (struct parse_sum){AST_QUERY_EXCEPT, O.place}; }
%type all {bool}
all(A) ::= . { A = false; }
all(A) ::= ALL. { A = true; }
all(A) ::= DISTINCT. { A = false; }

%type core {struct ast_select *}
core(A) ::= SELECT(B) distinct(D) items(I) from(F) window(W) where(C) group_by(G) partition_by(P) having(H)
        windows(N) qualify(Q). {
    A = ARENA_NEW(p->arena, struct ast_select);
    A->place = B.place, A->distinct = D, A->items = I, A->from = F, A->window = W, A->where = C;
    A->group_by = G.list, A->group_place = G.place, A->partition_by = P.list, A->partition_place = P.place;
    A->having = H, A->windows = N.n ? N : W.named, A->qualify = Q;
    if (N.n && W.named.n)
        parse_refuse(p, N.items[0]->place, "windows are named twice in one SELECT");
}
core(A) ::= VALUES(B) rows(R). {
    A = ARENA_NEW(p->arena, struct ast_select);
    A->kind = AST_QUERY_VALUES, A->place = B.place, A->rows = R;
}
%type distinct {bool}
distinct(A) ::= . { A = false; }
distinct(A) ::= ALL. { A = false; }
distinct(A) ::= DISTINCT. { A = true; }
%type items {struct ast_items}
items(A) ::= item(B). { A = (struct ast_items){0}; AST_APPEND(p, A, B); }
items(A) ::= items(A) COMMA item(B). { AST_APPEND(p, A, B); }
%type item {struct ast_item}
item(A) ::= STAR(S). { A = (struct ast_item){.place = S.place}; }
item(A) ::= name(N) DOT STAR(S). { A = (struct ast_item){.qualifier = N, .place = place_join(N.place, S.place)}; }
item(A) ::= value(B) ARROW STAR(S). { A = (struct ast_item){.expr = B, .fields = true, .place = place_join(B->place, S.place)}; }
item(A) ::= expr(E). { A = (struct ast_item){.expr = E, .place = E->place}; }
item(A) ::= expr(E) AS name(N). { A = (struct ast_item){.expr = E, .alias = N, .place = E->place}; }
item(A) ::= expr(E) name(N). { A = (struct ast_item){.expr = E, .alias = N, .place = E->place}; }

%type from {struct ast_sources}
from(A) ::= . { A = (struct ast_sources){0}; }
from(A) ::= FROM sources(B). { A = B; }
%type sources {struct ast_sources}
sources(A) ::= joined(B). { A = (struct ast_sources){0}; AST_APPEND(p, A, B); }
sources(A) ::= sources(A) COMMA joined(B). { AST_APPEND(p, A, B); }
%type joined {struct ast_source *}
joined(A) ::= source(A).
joined(A) ::= joined(B) join(J) source(C) within(W) ON expr(E). {
    A = parse_joined(p, B, J, C);
    A->on = E, A->within = W;
}
joined(A) ::= joined(B) join(J) source(C) within(W) USING LP names(N) RP. {
    A = parse_joined(p, B, J, C);
    A->using = N, A->within = W;
}
joined(A) ::= joined(B) NATURAL(W) join(J) source(C). {
    A = parse_joined(p, B, J, C);
    A->natural = true, A->place = place_join(W.place, J.place);
}
joined(A) ::= joined(B) CROSS(W) JOIN(E) source(C). {
    A = parse_joined(p, B, (struct parse_join){AST_JOIN_INNER, place_join(W.place, E.place)}, C);
}
%type within {struct ast_within}
within(A) ::= . { A = (struct ast_within){0}; }
within(A) ::= WITHIN(W) duration(D) grace(G). {
    A = (struct ast_within){.given = true, .before = D, .after = D, .grace = G, .place = place_join(W.place, D.place)};
}
within(A) ::= WITHIN(W) LP duration(B) COMMA duration(D) RP(E) grace(G). {
    A = (struct ast_within){.given = true, .before = B, .after = D, .grace = G, .place = place_join(W.place, E.place)};
}
%type grace {struct ast_duration}
grace(A) ::= . { A = (struct ast_duration){0}; }
grace(A) ::= GRACE PERIOD duration(D). { A = D; }
%type source {struct ast_source *}
source(A) ::= relation(N) as_of(T) alias(L). {
    A = parse_source(p, AST_FROM_RELATION, L);
    A->name = N, A->as_of = T;
}
%type as_of {struct ast_expr *}
as_of(A) ::= . { A = NULL; }
as_of(A) ::= FOR SYSTEM_TIME AS OF name(N). { A = parse_column(p, (struct ast_name){0}, N); }
as_of(A) ::= FOR SYSTEM_TIME AS OF name(N) LP RP. { A = parse_column(p, (struct ast_name){0}, N); }
as_of(A) ::= FOR SYSTEM_TIME AS OF name(Q) DOT name(N). { A = parse_column(p, Q, N); }
source(A) ::= LP(B) query(Q) RP(E) alias(L). {
    A = parse_source(p, AST_FROM_QUERY, L);
    A->query = Q, A->name.place = place_join(B.place, E.place);
}
source(A) ::= LP joined(B) RP. { A = B; }
source(A) ::= name(F) LP TABLE relation(N) by_key(K) COMMA name(D) LP name(T) RP spans(S) RP alias(L). {
    A = parse_source(p, AST_FROM_RELATION, L);
    A->name = N, A->keys = K;
    A->window = parse_table_window(p, &F, &D, T, S);
}
source(A) ::= name(F) LP TABLE relation(N) by_key(K) COMMA name(D) LP name(T) LP RP RP spans(S) RP alias(L). {
    A = parse_source(p, AST_FROM_RELATION, L);
    A->name = N, A->keys = K;
    A->window = parse_table_window(p, &F, &D, T, S);
}
source(A) ::= name(F) LP exprs(L) RP(E) ordinality(O) alias(T). {
    A = parse_source(p, AST_FROM_FUNCTION, T);
    A->name = F, A->name.place = place_join(F.place, E.place), A->ordinality = O;
    A->call = parse_list_of(p, AST_CALL, A->name.place, L);
    A->call->name = F;
}
%type ordinality {bool}
ordinality(A) ::= . { A = false; }
ordinality(A) ::= WITH ORDINALITY. { A = true; }
%type by_key {struct ast_names}
by_key(A) ::= . { A = (struct ast_names){0}; }
by_key(A) ::= PARTITION BY name(C). { A = (struct ast_names){0}; AST_APPEND(p, A, C); }
by_key(A) ::= PARTITION BY LP names(C) RP. { A = C; }
%type spans {struct parse_spans}
spans(A) ::= COMMA span(B). { A = (struct parse_spans){.n = 1, .v = {B}}; }
spans(A) ::= spans(A) COMMA span(B). {
    if (A.n < 3)
        A.v[A.n] = B;
    A.n++;
}
%type span {struct ast_duration}
span(A) ::= duration(A).
span(A) ::= INTERVAL STRING(T) name(U). { A = parse_span(p, &T, &U); }
%type alias {struct parse_alias}
alias(A) ::= . { A = (struct parse_alias){0}; }
alias(A) ::= AS name(L). { A = (struct parse_alias){.name = L}; }
alias(A) ::= ID(L). { A = (struct parse_alias){.name = parse_name(p, &L)}; }
alias(A) ::= AS name(L) LP names(C) RP. { A = (struct parse_alias){L, C}; }
alias(A) ::= ID(L) LP names(C) RP. { A = (struct parse_alias){parse_name(p, &L), C}; }
%type relation {struct ast_name}
relation(A) ::= name(A).
relation(A) ::= name(S) DOT name(N). { A = N, A.schema = S.text, A.place = place_join(S.place, N.place); }
%type join {struct parse_join}
join(A) ::= JOIN(J). { A = (struct parse_join){AST_JOIN_INNER, J.place}; }
join(A) ::= INNER(J) JOIN. { A = (struct parse_join){AST_JOIN_INNER, J.place}; }
join(A) ::= LEFT(J) outer JOIN. { A = (struct parse_join){AST_JOIN_LEFT, J.place}; }
join(A) ::= RIGHT(J) outer JOIN. { A = (struct parse_join){AST_JOIN_RIGHT, J.place}; }
join(A) ::= FULL(J) outer JOIN. { A = (struct parse_join){AST_JOIN_FULL, J.place}; }
outer ::= .
outer ::= OUTER.

%type window {struct ast_window}
window(A) ::= . [NO_WINDOW] { A = (struct ast_window){0}; }
window(A) ::= WINDOW named(N). { A = (struct ast_window){.named = N}; }
%type named {struct ast_exprs}
named(A) ::= named_one(B). { A = (struct ast_exprs){0}; AST_APPEND(p, A, B); }
named(A) ::= named(A) COMMA named_one(B). { AST_APPEND(p, A, B); }
%type named_one {struct ast_expr *}
named_one(A) ::= name(N) AS LP partition_by(L) order_by(O) frame(F) RP. {
    A = parse_over(p, parse_column(p, (struct ast_name){0}, N), L.list, O.list, F, N.place);
}
%type windows {struct ast_exprs}
windows(A) ::= . { A = (struct ast_exprs){0}; }
windows(A) ::= WINDOW named(N). { A = N; }
%type qualify {struct ast_expr *}
qualify(A) ::= . { A = NULL; }
qualify(A) ::= QUALIFY expr(E). { A = E; }
window(A) ::= WINDOW(W) TUMBLING LP SIZE duration(S) window_more(M) RP(E). {
    A = M;
    A.given = true, A.size = S, A.place = place_join(W.place, E.place);
}
window(A) ::= WINDOW(W) HOPPING LP SIZE duration(S) COMMA ADVANCE BY duration(V) window_more(M) RP(E). {
    A = M;
    A.given = true, A.kind = AST_HOPPING, A.size = S, A.advance = V, A.place = place_join(W.place, E.place);
}
window(A) ::= WINDOW(W) CUMULATE LP SIZE duration(S) COMMA STEP duration(V) window_more(M) RP(E). {
    A = M;
    A.given = true, A.kind = AST_CUMULATE, A.size = S, A.advance = V, A.place = place_join(W.place, E.place);
}
window(A) ::= WINDOW(W) SESSION LP duration(S) window_more(M) RP(E). {
    A = M;
    A.given = true, A.kind = AST_SESSION, A.size = S, A.place = place_join(W.place, E.place);
}
%type window_more {struct ast_window}
window_more(A) ::= . { A = (struct ast_window){0}; }
window_more(A) ::= window_more(A) COMMA RETENTION(W) duration(D). { parse_once(p, &A.retention, D, W.place); }
window_more(A) ::= window_more(A) COMMA GRACE(W) PERIOD duration(D). { parse_once(p, &A.grace, D, W.place); }
window_more(A) ::= window_more(A) COMMA OFFSET(W) duration(D). { parse_once(p, &A.offset, D, W.place); }
window_more(A) ::= window_more(A) COMMA BY name(T). { A.time = T; }
window_more(A) ::= window_more(A) COMMA TIME ZONE STRING(Z). {
    A.zone = (struct ast_name){.text = parse_string(p, &Z), .quoted = true, .place = Z.place};
}
%type duration {struct ast_duration}
duration(A) ::= INTEGER(I) name(U). { A = parse_duration(p, &I, &U); }
%type where {struct ast_expr *}
where(A) ::= . { A = NULL; }
where(A) ::= WHERE expr(E). { A = E; }
%type group_by {struct parse_list}
group_by(A) ::= . { A = (struct parse_list){0}; }
group_by(A) ::= GROUP(W) BY groups(L). { A = (struct parse_list){L, W.place}; }
%type groups {struct ast_exprs}
groups(A) ::= group(B). { A = (struct ast_exprs){0}; AST_APPEND(p, A, B); }
groups(A) ::= LP expr(E) COMMA exprs(L) RP. { A = parse_prepend(p, E, L); }
groups(A) ::= groups(A) COMMA group(B). { AST_APPEND(p, A, B); }
%type group {struct ast_expr *}
group(A) ::= expr(A).
group(A) ::= GROUPING(B) SETS LP sets(L) RP(E). { A = parse_list_of(p, AST_GROUPING_SETS, place_join(B.place, E.place), L); }
%type sets {struct ast_exprs}
sets(A) ::= set(B). { A = (struct ast_exprs){0}; AST_APPEND(p, A, B); }
sets(A) ::= sets(A) COMMA set(B). { AST_APPEND(p, A, B); }
%type set {struct ast_expr *}
set(A) ::= expr(B). { A = parse_list_of(p, AST_GROUPING_SET, B->place, parse_prepend(p, B, (struct ast_exprs){0})); }
set(A) ::= LP(B) RP(E). { A = parse_list_of(p, AST_GROUPING_SET, place_join(B.place, E.place), (struct ast_exprs){0}); }
set(A) ::= LP(B) expr(F) COMMA exprs(L) RP(E). {
    A = parse_list_of(p, AST_GROUPING_SET, place_join(B.place, E.place), parse_prepend(p, F, L));
}
%type partition_by {struct parse_list}
partition_by(A) ::= . { A = (struct parse_list){0}; }
partition_by(A) ::= PARTITION(W) BY list(L). { A = (struct parse_list){L, W.place}; }
%type list {struct ast_exprs}
list(A) ::= exprs(A).
list(A) ::= LP expr(E) COMMA exprs(L) RP. { A = parse_prepend(p, E, L); }
%type having {struct ast_expr *}
having(A) ::= . { A = NULL; }
having(A) ::= HAVING expr(E). { A = E; }
%type order_by {struct parse_orders}
order_by(A) ::= . { A = (struct parse_orders){0}; }
order_by(A) ::= ORDER(W) BY orders(L). { A = (struct parse_orders){L, W.place}; }
%type orders {struct ast_orders}
orders(A) ::= order(B). { A = (struct ast_orders){0}; AST_APPEND(p, A, B); }
orders(A) ::= orders(A) COMMA order(B). { AST_APPEND(p, A, B); }
%type order {struct ast_order}
order(A) ::= expr(E) descending(D) nulls(N). { A = (struct ast_order){E, D, N}; }
%type descending {bool}
descending(A) ::= . { A = false; }
descending(A) ::= ASC. { A = false; }
descending(A) ::= DESC. { A = true; }
%type nulls {enum ast_nulls}
nulls(A) ::= . { A = AST_NULLS_HIGH; }
nulls(A) ::= NULLS FIRST. { A = AST_NULLS_FIRST; }
nulls(A) ::= NULLS LAST. { A = AST_NULLS_LAST; }
%type emit {struct parse_emit}
emit(A) ::= . { A = (struct parse_emit){0}; }
emit(A) ::= EMIT(W) CHANGES(E). { A = (struct parse_emit){AST_EMIT_CHANGES, place_join(W.place, E.place)}; }
emit(A) ::= EMIT(W) CHANGES EVERY duration(D). {
    A = (struct parse_emit){AST_EMIT_CHANGES, place_join(W.place, D.place), D};
}
emit(A) ::= EMIT(W) FINAL(E). { A = (struct parse_emit){AST_EMIT_FINAL, place_join(W.place, E.place)}; }
%type limit {struct ast_limit}
limit(A) ::= . { A = (struct ast_limit){0}; }
limit(A) ::= LIMIT INTEGER(N). { A = parse_limit(p, &N); }
%type offset {struct ast_limit}
offset(A) ::= . { A = (struct ast_limit){0}; }
offset(A) ::= OFFSET INTEGER(N). { A = parse_limit(p, &N); }

/* ---- Expressions: conditions, then comparisons, then arithmetic; so BETWEEN's AND is never a condition's. */
%type expr {struct ast_expr *}
expr(A) ::= expr(B) OR(O) expr(C). { A = parse_chain(p, AST_OR, B, &O, C); }
expr(A) ::= expr(B) AND(O) expr(C). { A = parse_chain(p, AST_AND, B, &O, C); }
expr(A) ::= NOT(O) expr(B). { A = parse_unary(p, AST_NOT, &O, B); }
expr(A) ::= comparison(B). { A = B; }
expr(A) ::= name(N) LAMBDA(O) expr(B). {
    struct ast_exprs none = {0};
    A = parse_lambda(p, parse_column(p, (struct ast_name){0}, N), none, &O, B);
}
expr(A) ::= LP expr(F) RP LAMBDA(O) expr(B). { struct ast_exprs none = {0}; A = parse_lambda(p, F, none, &O, B); }
expr(A) ::= LP expr(F) COMMA exprs(L) RP LAMBDA(O) expr(B). { A = parse_lambda(p, F, L, &O, B); }
expr(A) ::= value(B) ASSIGN(O) expr(C). { A = parse_args(p, AST_ASSIGN, &O, false, B, C, NULL); }

%type comparison {struct ast_expr *}
%type compare {struct token}
compare(A) ::= EQ(A).
compare(A) ::= NE(A).
compare(A) ::= LT(A).
compare(A) ::= LE(A).
compare(A) ::= GT(A).
compare(A) ::= GE(A).
%type not {bool}
not(A) ::= . { A = false; }
not(A) ::= NOT. { A = true; }
comparison(A) ::= value(B). { A = B; }
comparison(A) ::= value(B) compare(O) value(C). { A = parse_binary(p, B, &O, C); }
comparison(A) ::= value(B) IS(O) not(N) NULL(E). {
    A = parse_unary(p, AST_IS_NULL, &O, B);
    A->negated = N, A->place = place_join(B->place, E.place);
}
comparison(A) ::= value(B) IS(O) not(N) DISTINCT FROM value(C). {
    A = parse_args(p, AST_IS_DISTINCT, &O, N, B, C, NULL);
}
comparison(A) ::= value(B) not(N) BETWEEN(O) value(C) AND value(D). { A = parse_args(p, AST_BETWEEN, &O, N, B, C, D); }
comparison(A) ::= value(B) not(N) LIKE(O) value(C). { A = parse_args(p, AST_LIKE, &O, N, B, C, NULL); }
comparison(A) ::= value(B) not(N) LIKE(O) value(C) ESCAPE value(D). { A = parse_args(p, AST_LIKE, &O, N, B, C, D); }
comparison(A) ::= value(B) compare(O) quantifier(Q) LP query(S) RP(E). {
    A = parse_quantified(p, B, &O, Q, S, place_join(B->place, E.place));
}
%type quantifier {bool}
quantifier(A) ::= ALL. { A = true; }
quantifier(A) ::= ANY. { A = false; }
quantifier(A) ::= SOME. { A = false; }
comparison(A) ::= value(B) not(N) IN(O) LP query(S) RP(E). {
    A = parse_unary(p, AST_IN, &O, B);
    A->negated = N, A->place = place_join(B->place, E.place);
    parse_holds(p, A, S);
}
comparison(A) ::= value(B) not(N) REGEXP(O) value(C). {
    A = parse_args(p, AST_LIKE, &O, N, B, C, NULL);
    A->text = STR("REGEXP");
}
comparison(A) ::= value(B) not(N) SIMILAR(O) TO value(C). {
    A = parse_args(p, AST_LIKE, &O, N, B, C, NULL);
    A->text = STR("SIMILAR TO");
}
comparison(A) ::= value(B) not(N) IN(O) whole(C). {
    A = parse_args(p, AST_IN, &O, N, B, C, NULL);
    A->bare = true;
}
comparison(A) ::= value(B) not(N) IN(O) LP exprs(L) RP(E). {
    A = parse_list_of(p, AST_IN, place_join(B->place, E.place), parse_prepend(p, B, L));
    A->op = O.place, A->negated = N;
}

%type value {struct ast_expr *}
value(A) ::= value(B) CONCAT(O) value(C). { A = parse_binary(p, B, &O, C); }
value(A) ::= value(B) PLUS(O) value(C). { A = parse_binary(p, B, &O, C); }
value(A) ::= value(B) MINUS(O) value(C). { A = parse_binary(p, B, &O, C); }
value(A) ::= value(B) STAR(O) value(C). { A = parse_binary(p, B, &O, C); }
value(A) ::= value(B) SLASH(O) value(C). { A = parse_binary(p, B, &O, C); }
value(A) ::= value(B) PERCENT(O) value(C). { A = parse_binary(p, B, &O, C); }
value(A) ::= MINUS(O) value(B). [SIGN] { A = parse_unary(p, AST_NEG, &O, B); }
value(A) ::= PLUS value(B). [SIGN] { A = B; }
value(A) ::= LP expr(B) RP. { A = B; A->parens = true; }
value(A) ::= LP(B) query(S) RP(E). {
    A = parse_list_of(p, AST_QUERY, place_join(B.place, E.place), (struct ast_exprs){0});
    parse_holds(p, A, S);
}
value(A) ::= EXISTS(B) LP query(S) RP(E). {
    A = parse_list_of(p, AST_EXISTS, place_join(B.place, E.place), (struct ast_exprs){0});
    parse_holds(p, A, S);
}

value(A) ::= NULL(T). { A = parse_literal(p, AST_NULL, &T); }
value(A) ::= TRUE(T). { A = parse_literal(p, AST_BOOLEAN, &T); }
value(A) ::= FALSE(T). { A = parse_literal(p, AST_BOOLEAN, &T); }
value(A) ::= INTEGER(T). { A = parse_literal(p, AST_INTEGER, &T); }
value(A) ::= DECIMAL(T). { A = parse_literal(p, AST_DECIMAL, &T); }
value(A) ::= DOUBLE(T). { A = parse_literal(p, AST_DOUBLE, &T); }
value(A) ::= STRING(T). { A = parse_literal(p, AST_STRING, &T); }
value(A) ::= ID(N) STRING(T). { A = parse_typed(p, &N, &T); }
value(A) ::= INTERVAL(I) STRING(T) name(F). { A = parse_interval(p, &I, &T, &F, NULL); }
value(A) ::= INTERVAL(I) STRING(T) name(F) TO name(L). { A = parse_interval(p, &I, &T, &F, &L); }
value(A) ::= INTERVAL(I) INTEGER(T) name(F). { A = parse_interval(p, &I, &T, &F, NULL); }
value(A) ::= INTERVAL(N). { A = parse_column(p, (struct ast_name){0}, parse_name(p, &N)); }
value(A) ::= name(N). { A = parse_column(p, (struct ast_name){0}, N); }
value(A) ::= name(Q) DOT name(N). { A = parse_column(p, Q, N); }
value(A) ::= call(B). { A = B; }
value(A) ::= call(B) OVER LP partition_by(L) order_by(O) frame(F) RP(E). {
    A = parse_over(p, B, L.list, O.list, F, place_join(B->place, E.place));
}
value(A) ::= call(B) OVER name(N). {
    A = parse_over(p, B, (struct ast_exprs){0}, (struct ast_orders){0}, (struct parse_frame){0}, place_join(B->place, N.place));
    A->over->base = N;
}
value(A) ::= call(B) OVER LP name(N) order_by(O) frame(F) RP(E). {
    A = parse_over(p, B, (struct ast_exprs){0}, O.list, F, place_join(B->place, E.place));
    A->over->base = N;
}
%type frame {struct parse_frame}
frame(A) ::= . { A = (struct parse_frame){0}; }
frame(A) ::= frame_unit(U) bound(B) exclude(X). {
    A = (struct parse_frame){true, U, B, (struct parse_bound){AST_BOUND_CURRENT, NULL, B.place}, X};
}
frame(A) ::= frame_unit(U) BETWEEN bound(B) AND bound(C) exclude(X). { A = (struct parse_frame){true, U, B, C, X}; }
%type frame_unit {enum ast_frame_unit}
frame_unit(A) ::= RANGE. { A = AST_FRAME_RANGE; }
frame_unit(A) ::= ROWS. { A = AST_FRAME_ROWS; }
frame_unit(A) ::= GROUPS. { A = AST_FRAME_GROUPS; }
%type bound {struct parse_bound}
bound(A) ::= UNBOUNDED(W) PRECEDING. { A = (struct parse_bound){AST_BOUND_FIRST, NULL, W.place}; }
bound(A) ::= value(B) PRECEDING. { A = (struct parse_bound){AST_BOUND_PRECEDING, B, B->place}; }
bound(A) ::= CURRENT(W) ROW. { A = (struct parse_bound){AST_BOUND_CURRENT, NULL, W.place}; }
bound(A) ::= value(B) FOLLOWING. { A = (struct parse_bound){AST_BOUND_FOLLOWING, B, B->place}; }
bound(A) ::= UNBOUNDED(W) FOLLOWING. { A = (struct parse_bound){AST_BOUND_LAST, NULL, W.place}; }
%type exclude {enum ast_exclude}
exclude(A) ::= . { A = AST_EXCLUDE_NONE; }
exclude(A) ::= EXCLUDE NO OTHERS. { A = AST_EXCLUDE_NONE; }
exclude(A) ::= EXCLUDE CURRENT ROW. { A = AST_EXCLUDE_CURRENT; }
exclude(A) ::= EXCLUDE GROUP. { A = AST_EXCLUDE_GROUP; }
exclude(A) ::= EXCLUDE TIES. { A = AST_EXCLUDE_TIES; }
value(A) ::= element(B). { A = B; }
value(A) ::= dotted(B). { A = B; }
value(A) ::= value(B) ARROW(O) name(F). { A = parse_field(p, B, &O, F); }
value(A) ::= value(B) DCOLON short_type(T). { A = parse_cast(p, place_join(B->place, T.place), B, T); }
%type element {struct ast_expr *}
element(A) ::= value(B) LB(O) expr(C) RB(E). { A = parse_element(p, B, &O, C, &E); }
element(A) ::= value(B) LB(O) expr(C) COMMA exprs(L) RB(E). { A = parse_array(p, B, &O, C, L, &E); }
element(A) ::= value(B) LB(O) RB(E). { A = parse_array(p, B, &O, NULL, (struct ast_exprs){0}, &E); }
%type dotted {struct ast_expr *}
dotted(A) ::= name(Q) DOT name(N) DOT(O) name(F). { A = parse_field(p, parse_column(p, Q, N), &O, F); }
dotted(A) ::= dotted(B) DOT(O) name(F). { A = parse_field(p, B, &O, F); }
dotted(A) ::= element(B) DOT(O) name(F). { A = parse_field(p, B, &O, F); }
%type whole {struct ast_expr *} /* what may follow IN without parentheses: POSITION(a IN b) */
whole(A) ::= STRING(T). { A = parse_literal(p, AST_STRING, &T); }
whole(A) ::= name(N). { A = parse_column(p, (struct ast_name){0}, N); }
whole(A) ::= name(Q) DOT name(N). { A = parse_column(p, Q, N); }
whole(A) ::= call(B). { A = B; }
%type side {struct token}
side(A) ::= BOTH(A).
side(A) ::= LEADING(A).
side(A) ::= TRAILING(A).
value(A) ::= name(N) LP expr(X) FROM expr(Y) RP(E). { A = parse_words(p, &N, NULL, X, Y, NULL, &E); }
value(A) ::= name(N) LP expr(X) FROM expr(Y) FOR expr(Z) RP(E). { A = parse_words(p, &N, NULL, X, Y, Z, &E); }
value(A) ::= name(N) LP side(S) FROM expr(Y) RP(E). { A = parse_words(p, &N, &S, NULL, Y, NULL, &E); }
value(A) ::= name(N) LP side(S) expr(X) FROM expr(Y) RP(E). { A = parse_words(p, &N, &S, X, Y, NULL, &E); }
%type call {struct ast_expr *}
call(A) ::= arguments(B) RP(E). { A = B; A->place = place_join(B->place, E.place); }
call(A) ::= arguments(B) RP FILTER LP WHERE expr(C) RP(E). {
    A = parse_more(p, B, C);
    A->has_filter = true, A->place = place_join(B->place, E.place);
}
%type arguments {struct ast_expr *}
arguments(A) ::= name(N) LP STAR. {
    A = parse_list_of(p, AST_CALL, N.place, (struct ast_exprs){0});
    A->name = N, A->star = true;
}
arguments(A) ::= name(N) LP. { A = parse_list_of(p, AST_CALL, N.place, (struct ast_exprs){0}); A->name = N; }
arguments(A) ::= name(N) LP exprs(L) in_order(O). {
    A = parse_list_of(p, AST_CALL, N.place, L);
    A->name = N;
    parse_ordered(p, A, O);
}
arguments(A) ::= name(N) LP DISTINCT exprs(L) in_order(O). {
    A = parse_list_of(p, AST_CALL, N.place, L);
    A->name = N, A->distinct = true;
    parse_ordered(p, A, O);
}
%type in_order {struct ast_order}
in_order(A) ::= . { A = (struct ast_order){0}; }
in_order(A) ::= ORDER BY order(B). { A = B; }
value(A) ::= CAST(B) LP expr(V) AS type(T) RP(E). {
    A = parse_cast(p, place_join(B.place, E.place), V, T);
}
value(A) ::= CASE(B) operand(O) whens(W) else(L) END(E). {
    A = parse_case(p, place_join(B.place, E.place), O, W, L);
}
%type operand {struct ast_expr *}
operand(A) ::= . { A = NULL; }
operand(A) ::= expr(E). { A = E; }
%type whens {struct ast_exprs}
whens(A) ::= WHEN expr(C) THEN expr(R). { A = (struct ast_exprs){0}; AST_APPEND(p, A, C); AST_APPEND(p, A, R); }
whens(A) ::= whens(A) WHEN expr(C) THEN expr(R). { AST_APPEND(p, A, C); AST_APPEND(p, A, R); }
%type else {struct ast_expr *}
else(A) ::= . { A = NULL; }
else(A) ::= ELSE expr(E). { A = E; }

%type exprs {struct ast_exprs}
exprs(A) ::= expr(B). { A = (struct ast_exprs){0}; AST_APPEND(p, A, B); }
exprs(A) ::= exprs(A) COMMA expr(B). { AST_APPEND(p, A, B); }
%type name {struct ast_name}
name(A) ::= ID(T). { A = parse_name(p, &T); }

/* ---- The tables without actions: a stack of states alone. */
%code {
unsigned grammar_ntokens(void) { return YYNTOKEN; }
const char *grammar_rule(unsigned i) { return i < YYNRULE ? yyRuleName[i] : NULL; }

struct ast_statement *grammar_build(struct parser *p, const struct token *tokens, unsigned n)
{
    yyParser *y = arena_alloc(p->arena, sizeof *y);
    grammar_Init(y);
    for (unsigned i = 0; i < n && !p->refused; i++)
        grammar_(y, tokens[i].kind, tokens[i], p);
    grammar_Finalize(y);
    return p->refused ? NULL : p->result;
}

bool grammar_falls_back(int token) { return yyFallback[token] != 0; }

/* What the tables say of a token in a state; without compression (lemon -c) all that is not listed is an error. */
static unsigned action_of(unsigned state, int token, bool exact)
{
    unsigned i = (unsigned)yy_shift_ofst[state] + (unsigned)token;
    if (yy_lookahead[i] == token)
        return yy_action[i];
    if (!exact && yyFallback[token])
        return action_of(state, yyFallback[token], true);
    return yy_default[state];
}

static unsigned next_action(const struct grammar_stack *s, int token, bool exact)
{
    unsigned state = s->states[s->n - 1];
    return state > YY_MAX_SHIFT ? state : action_of(state, token, exact);
}

static bool push_state(struct grammar_stack *s, unsigned state)
{
    s->overflow = s->n == GRAMMAR_STACK;
    if (!s->overflow)
        s->states[s->n++] = (uint16_t)state;
    return !s->overflow;
}

bool grammar_step(struct grammar_stack *s, int token, bool exact)
{
    unsigned act = next_action(s, token, exact);
    while (act >= YY_MIN_REDUCE) {
        unsigned rule = act - YY_MIN_REDUCE;
        s->n -= (unsigned)-yyRuleInfoNRhs[rule];
        if (!push_state(s, yy_action[yy_reduce_ofst[s->states[s->n - 1]] + yyRuleInfoLhs[rule]]))
            return false;
        act = next_action(s, token, exact);
    }
    if (act == YY_ACCEPT_ACTION)
        return true;
    if (act > YY_MAX_SHIFTREDUCE)
        return false;
    if (act > YY_MAX_SHIFT) /* shift, and reduce when the next token comes */
        act += YY_MIN_REDUCE - YY_MIN_SHIFTREDUCE;
    return push_state(s, act);
}
}
