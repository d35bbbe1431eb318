/* Equal bodies: gcc's -fipa-icf makes them one piece of code. */
long twin_one(long first)
{
    return first * 3 + first % 7;
}

long twin_two(long second)
{
    return second * 3 + second % 7;
}
