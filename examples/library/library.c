/*
 * A small lending library, whole in C: `inlay run library.c`. twin.py is the
 * same in FastAPI; tests/py/test_library.py asks both the same questions.
 */
#include <inlay.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BOOKS_MOST 1000
#define TEXT_MOST 201

static const inlay_str key = {"an example's key, never a real one", 34};

/* --- Types --------------------------------------------------------------- */

enum genre { novel, science, poetry };

INLAY_OPTIONAL(maybe_date, inlay_date);
INLAY_OPTIONAL(maybe_uuid, inlay_uuid);
INLAY_OPTIONAL(maybe_genre, enum genre);
INLAY_OPTIONAL(maybe_text, inlay_str);
INLAY_SLICE(words, inlay_str);
INLAY_OPTIONAL(maybe_words, words);

struct author {
    inlay_str name;
    int32_t born;
};
INLAY_LENGTH(struct author, name, 1, 100);
INLAY_RANGE(struct author, born, 0, 2100);

/// A book, as clients describe it.
struct book_in {
    inlay_str title;
    struct author author;
    enum genre genre;
    double price;
    maybe_date published;
    maybe_uuid reference;
    words tags;
};
INLAY_STRICT(struct book_in);
INLAY_LENGTH(struct book_in, title, 1, 200);
INLAY_RANGE(struct book_in, price, 0.5, 1000);
INLAY_LENGTH(struct book_in, tags, INLAY_NONE, 3);

/// A book of the library.
struct book {
    int64_t id;
    inlay_str title;
    struct author author;
    enum genre genre;
    double price;
    maybe_date published;
    maybe_uuid reference;
    words tags;
};
INLAY_SLICE(books, struct book);

struct search {
    inlay_str text;
    maybe_genre genre;
    uint8_t page;
};
INLAY_STRICT(struct search);
INLAY_PATTERN(struct search, text, "^[a-z]+$");
INLAY_RANGE(struct search, page, 1, 9);

struct reader {
    inlay_str name;
};

struct cover {
    int64_t book;
    inlay_str name, type;
    uint64_t size;
};

struct period {
    inlay_date from;
    inlay_datetime to;
    int64_t days;
};

struct stats {
    uint64_t books;
};

struct note {
    inlay_str token;
    inlay_str path;
    bool shout;
};

/* --- The store: one per worker, shared by its threads -------------------- */

struct row {
    int64_t id; /* 0: free */
    char title[TEXT_MOST * 4], author[TEXT_MOST * 4], tags[3][TEXT_MOST];
    size_t ntags;
    struct book book; /* texts are the row's */
};

struct store {
    pthread_mutex_t lock;
    int64_t last;
    uint64_t count;
    struct row rows[BOOKS_MOST];
};

static struct store *open_store(void)
{
    struct store *store = calloc(1, sizeof(*store));

    if (!store)
        inlay_fail(INLAY_NO_MEMORY, "no memory for the store");
    else
        pthread_mutex_init(&store->lock, NULL);
    return store;
}

static void close_store(struct store *store)
{
    pthread_mutex_destroy(&store->lock);
    free(store);
}
INLAY_STATE(open_store, close_store);

static inlay_str keep(char *into, size_t size, inlay_str text)
{
    size_t len = text.len < size ? text.len : size - 1;

    if (len)
        memcpy(into, text.ptr, len);
    return (inlay_str){into, len};
}

static struct row *find(struct store *store, int64_t id)
{
    for (size_t i = 0; i < BOOKS_MOST; i++) {
        if (store->rows[i].id == id)
            return &store->rows[i];
    }
    return NULL;
}

static void fill(struct row *row, int64_t id, const struct book_in *in)
{
    inlay_str *tags = malloc(sizeof(*tags) * (in->tags.len + 1));

    free(row->book.tags.ptr);
    for (size_t i = 0; tags && i < in->tags.len; i++)
        tags[i] = keep(row->tags[i], sizeof(row->tags[i]), in->tags.ptr[i]);
    row->id = id;
    row->book = (struct book){
        .id = id,
        .title = keep(row->title, sizeof(row->title), in->title),
        .author = {keep(row->author, sizeof(row->author), in->author.name),
                   in->author.born},
        .genre = in->genre,
        .price = in->price,
        .published = in->published,
        .reference = in->reference,
        .tags = {tags, tags ? in->tags.len : 0},
    };
}

/* A copy for the length of the call: the row may change meanwhile. */
static struct book copy(const struct book *book)
{
    struct book result = *book;

    result.title = inlay_copy(book->title);
    result.author.name = inlay_copy(book->author.name);
    result.tags.ptr = inlay_alloc(sizeof(inlay_str) * (book->tags.len + 1));
    for (size_t i = 0; result.tags.ptr && i < book->tags.len; i++)
        result.tags.ptr[i] = inlay_copy(book->tags.ptr[i]);
    return result;
}

static bool has_tag(const struct book *book, inlay_str tag)
{
    for (size_t i = 0; i < book->tags.len; i++) {
        if (inlay_equal(book->tags.ptr[i], tag))
            return true;
    }
    return false;
}

/* --- Books --------------------------------------------------------------- */

/// The books, a page at a time.
books list_books(struct store *store,
                 int32_t limit,
                 int64_t offset,
                 maybe_genre genre,
                 maybe_words tag)
{
    books found = {inlay_alloc(sizeof(struct book) * BOOKS_MOST), 0};
    int64_t skip = offset;

    pthread_mutex_lock(&store->lock);
    for (int64_t id = 1; found.ptr && id <= store->last; id++) {
        struct row *row = find(store, id);
        bool wanted = row && (!genre.has || row->book.genre == genre.value);

        for (size_t i = 0; wanted && tag.has && i < tag.value.len; i++)
            wanted = has_tag(&row->book, tag.value.ptr[i]);
        if (wanted && skip-- <= 0 && found.len < (size_t)limit)
            found.ptr[found.len++] = copy(&row->book);
    }
    pthread_mutex_unlock(&store->lock);
    return found;
}
INLAY_DEFAULT(list_books, limit, 10);
INLAY_RANGE(list_books, limit, 1, 100);
INLAY_DEFAULT(list_books, offset, 0);
INLAY_RANGE(list_books, offset, 0, INLAY_NONE);
INLAY_GET("/books", list_books);
INLAY_TAG(list_books, "books");

/// One book by its number.
struct book get_book(struct store *store, int64_t id)
{
    struct book book = {0};

    pthread_mutex_lock(&store->lock);
    struct row *row = id > 0 ? find(store, id) : NULL;
    if (row)
        book = copy(&row->book);
    pthread_mutex_unlock(&store->lock);
    if (!row)
        inlay_fail(INLAY_NOT_FOUND, "no book %" PRId64, id);
    return book;
}
INLAY_GET("/books/{id}", get_book);
INLAY_TAG(get_book, "books");
INLAY_ANSWERS(get_book, 404, "No such book");

/// A new book.
struct book add_book(struct store *store, struct book_in book)
{
    struct book added = {0};

    pthread_mutex_lock(&store->lock);
    struct row *row = find(store, 0);
    if (row) {
        fill(row, ++store->last, &book);
        store->count++;
        added = copy(&row->book);
    }
    pthread_mutex_unlock(&store->lock);
    if (row)
        inlay_header_set("location", "/books/%" PRId64, added.id);
    else
        inlay_fail(INLAY_CONFLICT, "the library is full");
    return added;
}
INLAY_POST("/books", add_book);
INLAY_ANSWERS(add_book, 400, "A body that can't be read");
INLAY_STATUS(add_book, 201);
INLAY_ANSWERS(add_book, 409, "The library is full");
INLAY_TAG(add_book, "books");

/// Another description of a book.
struct book change_book(struct store *store, int64_t id, struct book_in book)
{
    struct book changed = {0};

    pthread_mutex_lock(&store->lock);
    struct row *row = id > 0 ? find(store, id) : NULL;
    if (row) {
        fill(row, id, &book);
        changed = copy(&row->book);
    }
    pthread_mutex_unlock(&store->lock);
    if (!row)
        inlay_fail(INLAY_NOT_FOUND, "no book %" PRId64, id);
    return changed;
}
INLAY_PUT("/books/{id}", change_book);
INLAY_ANSWERS(change_book, 400, "A body that can't be read");
INLAY_TAG(change_book, "books");
INLAY_ANSWERS(change_book, 404, "No such book");

/// It is gone.
void remove_book(struct store *store, int64_t id)
{
    pthread_mutex_lock(&store->lock);
    struct row *row = id > 0 ? find(store, id) : NULL;
    if (row) {
        row->id = 0;
        store->count--;
    }
    pthread_mutex_unlock(&store->lock);
    if (!row)
        inlay_fail(INLAY_NOT_FOUND, "no book %" PRId64, id);
}
INLAY_DELETE("/books/{id}", remove_book);
INLAY_TAG(remove_book, "books");
INLAY_ANSWERS(remove_book, 404, "No such book");

/// What would be searched for: a model of the query.
struct search search(struct search query)
{
    return query;
}
INLAY_GET("/search", search);

/* --- Readers ------------------------------------------------------------- */

/// Who is asking, by a signed cookie.
static struct reader *current_reader(maybe_text session)
{
    struct reader *reader = inlay_alloc(sizeof(*reader));

    if (reader && (!session.has ||
                   !inlay_verify(key, session.value, 3600, &reader->name)))
        inlay_fail(INLAY_UNAUTHORIZED, "log in first");
    return reader;
}
INLAY_PROVIDE(current_reader);
INLAY_COOKIE(current_reader, session, "session");

/// A form of name and password.
struct reader login(inlay_str name, inlay_str password)
{
    if (!inlay_equal(password, INLAY_STR("open sesame")))
        inlay_fail(INLAY_DENIED, "wrong name or password");
    else
        inlay_cookie_set("session", inlay_sign(key, name),
                         "HttpOnly; Path=/; SameSite=lax");
    return (struct reader){name};
}
INLAY_FORM(login, name);
INLAY_FORM(login, password);
INLAY_LENGTH(login, name, 1, 50);
INLAY_LENGTH(login, password, 1, 100);
INLAY_POST("/login", login);
INLAY_ANSWERS(login, 400, "A body that can't be read");
INLAY_ANSWERS(login, 403, "Wrong name or password");

/// The reader who is logged in.
struct reader me(const struct reader *reader)
{
    return *reader;
}
INLAY_GET("/me", me);
INLAY_ANSWERS(me, 401, "Nobody is logged in");

/// A picture of a book.
struct cover put_cover(int64_t id, inlay_upload picture, maybe_text caption)
{
    return (struct cover){id, caption.has ? caption.value : picture.name,
                          picture.type, picture.data.len};
}
INLAY_FORM(put_cover, picture);
INLAY_FORM(put_cover, caption);
INLAY_POST("/covers/{id}", put_cover);
INLAY_ANSWERS(put_cover, 400, "A body that can't be read");

/// The days of a loan.
struct period loan(inlay_date from, inlay_datetime to)
{
    return (struct period){from, to, to.us / 86400000000};
}
INLAY_QUERY(loan, from, "from");
INLAY_GET("/loan", loan);

/* --- For staff only ------------------------------------------------------ */

static void require_staff(maybe_text authorization)
{
    inlay_str token;

    if (!authorization.has || !inlay_bearer(authorization.value, &token) ||
        !inlay_equal(token, INLAY_STR("staff"))) {
        inlay_header_set("www-authenticate", "Bearer");
        inlay_fail(INLAY_UNAUTHORIZED, "staff only");
    }
}
INLAY_BEFORE("/staff/*", require_staff);
INLAY_HEADER(require_staff, authorization, "authorization");

/// How much there is.
struct stats stats(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    struct stats result = {store->count};
    pthread_mutex_unlock(&store->lock);
    return result;
}
INLAY_GET("/staff/stats", stats);
INLAY_ANSWERS(stats, 401, "Not of the staff");

/// The rest of a path, a header and a flag.
struct note note(inlay_str path, inlay_str token, bool shout)
{
    return (struct note){token, path, shout};
}
INLAY_GET("/notes/{path:path}", note);
INLAY_HEADER(note, token, "x-token");
INLAY_DEFAULT(note, shout, false);
