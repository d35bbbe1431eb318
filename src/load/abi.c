/* abi.c - what the rules of all machines need: the scalars of a type. */
#include "load/abi.h"

#include "base/banned.h"

struct leaves {
    struct inlay_leaf *items;
    size_t count;
};

static void add_leaf(struct leaves *leaves,
                     uint32_t offset,
                     uint32_t size,
                     bool real)
{
    if (leaves->count < INLAY_LEAVES_MOST)
        leaves->items[leaves->count] = (struct inlay_leaf){offset, size, real};
    if (leaves->count <= INLAY_LEAVES_MOST)
        leaves->count++;
}

static void collect(struct leaves *leaves,
                    const struct inlay_type *type,
                    uint32_t offset);

/* Ends when there are too many: a large array is not walked. */
static void collect_array(struct leaves *leaves,
                          const struct inlay_type *type,
                          uint32_t offset)
{
    for (uint32_t i = 0; i < type->count && leaves->count <= INLAY_LEAVES_MOST;
         i++)
        collect(leaves, type->elem, offset + i * type->elem->size);
}

static void collect(struct leaves *leaves,
                    const struct inlay_type *type,
                    uint32_t offset)
{
    if (leaves->count > INLAY_LEAVES_MOST)
        return;
    switch (type->kind) {
    case INLAY_KIND_VOID:
    case INLAY_KIND_UNSUPPORTED:
        break;
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_CHAR:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
        add_leaf(leaves, offset, type->size, false);
        break;
    case INLAY_KIND_FLOAT:
        add_leaf(leaves, offset, type->size, true);
        break;
    case INLAY_KIND_STR:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
        add_leaf(leaves, offset, 8, false);
        add_leaf(leaves, offset + 8, 8, false);
        break;
    case INLAY_KIND_DATE:
        add_leaf(leaves, offset, 2, false);
        add_leaf(leaves, offset + 2, 2, false);
        break;
    case INLAY_KIND_DATETIME:
        add_leaf(leaves, offset, 8, false);
        add_leaf(leaves, offset + 8, 4, false);
        break;
    case INLAY_KIND_UPLOAD:
        for (uint32_t i = 0; i < type->size; i += 8)
            add_leaf(leaves, offset + i, 8, false);
        break;
    case INLAY_KIND_UUID:
    case INLAY_KIND_CHARS:
        for (uint32_t i = 0;
             i < type->size && leaves->count <= INLAY_LEAVES_MOST; i++)
            add_leaf(leaves, offset + i, 1, false);
        break;
    case INLAY_KIND_ARRAY:
        collect_array(leaves, type, offset);
        break;
    case INLAY_KIND_OPTIONAL:
        add_leaf(leaves, offset + type->has_offset, 1, false);
        collect(leaves, type->elem, offset + type->value_offset);
        break;
    case INLAY_KIND_STRUCT:
        for (size_t i = 0; i < type->nfields; i++)
            collect(leaves, type->fields[i].type,
                    offset + type->fields[i].offset);
        break;
    }
}

size_t inlay_abi_leaves(const struct inlay_type *type,
                        struct inlay_leaf leaves[INLAY_LEAVES_MOST])
{
    struct leaves list = {leaves, 0};

    collect(&list, type, 0);
    return list.count;
}

/* Extended by its sign? A plain char is as the machine has it. */
static bool is_signed(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_INT ||
           (type->kind == INLAY_KIND_ENUM && type->is_signed) ||
           (type->kind == INLAY_KIND_CHAR && (char)-1 < 0);
}

enum inlay_move_op inlay_abi_scalar(const struct inlay_type *type)
{
    switch (type->kind) {
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CHAR:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
        break;
    case INLAY_KIND_VOID:
    case INLAY_KIND_STR:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_UNSUPPORTED:
        return INLAY_MOVE_COPY;
    }
    switch (type->size) {
    case 1:
        return is_signed(type) ? INLAY_MOVE_I1 : INLAY_MOVE_U1;
    case 2:
        return is_signed(type) ? INLAY_MOVE_I2 : INLAY_MOVE_U2;
    case 4:
        return is_signed(type) ? INLAY_MOVE_I4 : INLAY_MOVE_U4;
    default:
        return INLAY_MOVE_WORD;
    }
}
